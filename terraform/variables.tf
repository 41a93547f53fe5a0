variable "name" {
  description = "Name of the pipeline. The name of every resource begins with it."
  type        = string
  default     = "elt-pipeline"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 24 characters: lower-case letters, digits and hyphens, a letter first."
  }
}

variable "environment" {
  description = "Name of the installation, such as staging or production. It is part of every resource name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "environment must have 2 to 12 characters: lower-case letters and digits, a letter first."
  }
}

variable "region" {
  description = "AWS region of the landing zone."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region's code, such as eu-central-1."
  }
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the bucket and the queues. Its policy must allow s3.amazonaws.com kms:GenerateDataKey and kms:Decrypt, or no notification arrives. null uses keys that AWS manages (SSE-S3, SSE-SQS)."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be a key's full ARN (arn:aws:kms:<region>:<account>:key/<id>), not an alias."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete a bucket that still contains data."
  type        = bool
  default     = false
}

variable "infrequent_access_days" {
  description = "Age in days at which a raw object moves to cheaper infrequent-access storage."
  type        = number
  default     = 90

  validation {
    condition     = var.infrequent_access_days >= 30 && floor(var.infrequent_access_days) == var.infrequent_access_days
    error_message = "infrequent_access_days must be a whole number of at least 30: S3 moves nothing younger."
  }
}

variable "noncurrent_days" {
  description = "Days for which a replaced version of an object is retained."
  type        = number
  default     = 365

  validation {
    condition     = var.noncurrent_days >= 1 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "noncurrent_days must be a whole number of at least 1."
  }
}

variable "trusted_arns" {
  description = "Principals that may assume the roles: the identity of the machine or cluster, and people who may erase. `ingest` and `load` separate the first one."
  type = object({
    pipeline = list(string)
    erase    = list(string)
    ingest   = optional(list(string))
    load     = optional(list(string))
  })

  validation {
    condition = alltrue([
      for arn in flatten([for arns in values(var.trusted_arns) : coalesce(arns, [])]) :
      can(regex("^arn:[a-z-]+:(iam|sts)::[0-9]{12}:(root|(user|role|assumed-role)/.+)$", arn))
    ])
    error_message = "trusted_arns must hold ARNs of users, roles or account roots; a wildcard is refused."
  }

  validation {
    condition     = length(var.trusted_arns.pipeline) > 0 && length(var.trusted_arns.erase) > 0
    error_message = "trusted_arns must name at least one principal for pipeline and one for erase."
  }
}

variable "erase_requires_mfa" {
  description = "Whether the erase role can be assumed only with multi-factor authentication."
  type        = bool
  default     = true
}

variable "alarm_topic_arns" {
  description = "SNS topics that are told of messages in the dead-letter queue. Empty: no alarm."
  type        = list(string)
  default     = []
}

variable "trail_bucket" {
  description = "Bucket, usually of another account, for a CloudTrail of who read and wrote which object. null: no trail."
  type        = string
  default     = null
}

variable "warehouse" {
  description = "A managed PostgreSQL (Aurora) as the warehouse, in private subnets of a VPC. null: yours is somewhere else. modules/warehouse/variables.tf describes the fields."
  type = object({
    vpc_id                    = string
    subnet_ids                = list(string)
    client_security_group_ids = list(string)
    engine_version            = optional(string, "17.5")
    port                      = optional(number, 5432)
    capacity                  = optional(object({ min = number, max = number }), { min = 0.5, max = 8 })
    instances                 = optional(number, 1)
    backup_days               = optional(number, 14)
    log_exports               = optional(list(string), ["postgresql"])
    is_protected              = optional(bool, true)
  })
  default = null
}

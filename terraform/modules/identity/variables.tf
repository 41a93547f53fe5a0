variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "bucket_arn" {
  description = "ARN of the landing bucket."
  type        = string
}

variable "queue_arn" {
  description = "ARN of the queue of bucket notifications."
  type        = string
}

variable "kms_key_arn" {
  description = "KMS key of the bucket and the queue. null uses keys that AWS manages."
  type        = string
  default     = null
}

variable "trusted_arns" {
  description = "Principals that may assume the roles: `pipeline` for ingest and load unless these are named, `erase` for erase."
  type = object({
    pipeline = list(string)
    erase    = list(string)
    ingest   = optional(list(string))
    load     = optional(list(string))
  })
}

variable "erase_requires_mfa" {
  description = "Whether the erase role can be assumed only with multi-factor authentication."
  type        = bool
  default     = true
}

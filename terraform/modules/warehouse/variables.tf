variable "name" {
  description = "Name of the installation. The name of every resource begins with it."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the database."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of the database, in at least two availability zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must name at least two subnets: Aurora keeps its data in several zones."
  }
}

variable "client_security_group_ids" {
  description = "Security groups of the pipeline's machines. Nothing else reaches the database."
  type        = list(string)

  validation {
    condition     = length(var.client_security_group_ids) > 0
    error_message = "client_security_group_ids must name the security group of the pipeline."
  }
}

variable "engine_version" {
  description = "Version of Aurora PostgreSQL, 17 or newer."
  type        = string
  default     = "17.5"

  validation {
    condition     = can(regex("^(1[7-9]|[2-9][0-9])\\.[0-9]+$", var.engine_version))
    error_message = "engine_version must be 17.0 or newer: the migrations need PostgreSQL 17."
  }
}

variable "capacity" {
  description = "Least and most Aurora capacity units (2 GB of memory each)."
  type        = object({ min = number, max = number })
  default     = { min = 0.5, max = 8 }

  validation {
    condition     = var.capacity.min >= 0.5 && var.capacity.min <= var.capacity.max && var.capacity.max <= 256
    error_message = "capacity must be 0.5 <= min <= max <= 256."
  }
}

variable "port" {
  description = "Port of the database."
  type        = number
  default     = 5432
}

variable "log_exports" {
  description = "Logs of the database that go to CloudWatch."
  type        = list(string)
  default     = ["postgresql"]
}

variable "instances" {
  description = "Number of instances. The second one takes over when the first one fails."
  type        = number
  default     = 1

  validation {
    condition     = var.instances >= 1 && var.instances <= 15
    error_message = "instances must be 1 to 15."
  }
}

variable "backup_days" {
  description = "Days for which a point in time can be restored."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "backup_days must be 1 to 35."
  }
}

variable "kms_key_arn" {
  description = "KMS key of the database and of its secrets. null: keys that AWS manages."
  type        = string
  default     = null
}

variable "is_protected" {
  description = "Whether the database refuses to be deleted, and leaves a snapshot when it may be."
  type        = bool
  default     = true
}

variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "kms_key_arn" {
  description = "KMS key for bucket and queues; null: keys that AWS manages."
  type        = string
  default     = null
}

variable "force_destroy" {
  description = "Whether a bucket that holds data may be destroyed."
  type        = bool
}

variable "infrequent_access_days" {
  description = "Age in days at which raw objects move to infrequent access."
  type        = number
}

variable "noncurrent_days" {
  description = "Days for which replaced versions are kept."
  type        = number
}

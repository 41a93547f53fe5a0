variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "kms_key_arn" {
  description = "KMS key of the bucket and the queues. null uses keys that AWS manages."
  type        = string
  default     = null
}

variable "force_destroy" {
  description = "Whether Terraform may destroy a bucket that contains data."
  type        = bool
}

variable "infrequent_access_days" {
  description = "Age in days at which raw objects move to infrequent-access storage."
  type        = number
}

variable "noncurrent_days" {
  description = "Days for which replaced versions are retained."
  type        = number
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

# Cloud resources of the pipeline: where data lands, and which identity may do what with it.

module "landing" {
  source = "./modules/landing"

  name                   = "${var.name}-${var.environment}"
  kms_key_arn            = var.kms_key_arn
  force_destroy          = var.force_destroy
  infrequent_access_days = var.infrequent_access_days
  noncurrent_days        = var.noncurrent_days
  alarm_topic_arns       = var.alarm_topic_arns
  trail_bucket           = var.trail_bucket
}

module "identity" {
  source = "./modules/identity"

  name         = "${var.name}-${var.environment}"
  bucket_arn   = module.landing.bucket_arn
  queue_arn    = module.landing.queue_arn
  kms_key_arn  = var.kms_key_arn
  trusted_arns = var.trusted_arns

  erase_requires_mfa = var.erase_requires_mfa
}

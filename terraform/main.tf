# Cloud resources of the pipeline: where data lands, which identity may do what with it, and, if it is
# wanted, the warehouse.

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

module "warehouse" {
  source = "./modules/warehouse"
  count  = var.warehouse == null ? 0 : 1

  name                      = "${var.name}-${var.environment}"
  kms_key_arn               = var.kms_key_arn
  vpc_id                    = var.warehouse.vpc_id
  subnet_ids                = var.warehouse.subnet_ids
  client_security_group_ids = var.warehouse.client_security_group_ids
  engine_version            = var.warehouse.engine_version
  port                      = var.warehouse.port
  capacity                  = var.warehouse.capacity
  instances                 = var.warehouse.instances
  backup_days               = var.warehouse.backup_days
  log_exports               = var.warehouse.log_exports
  is_protected              = var.warehouse.is_protected
}

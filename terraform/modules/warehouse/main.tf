# The warehouse as a managed PostgreSQL: private, encrypted, and no password in the state.

locals {
  # Role of the warehouse -> id of the Airflow connection that uses it.
  connections = {
    loader      = "warehouse"
    transformer = "dbt_postgres_conn"
    reader      = "warehouse_reader"
  }
}

resource "aws_db_subnet_group" "this" {
  name       = "${var.name}-warehouse"
  subnet_ids = var.subnet_ids
}

resource "aws_security_group" "this" {
  name        = "${var.name}-warehouse"
  description = "The warehouse: reached by the pipeline only"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "pipeline" {
  count = length(var.client_security_group_ids) # their ids may be known only after the apply

  security_group_id            = aws_security_group.this.id
  referenced_security_group_id = var.client_security_group_ids[count.index]
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
  description                  = "PostgreSQL from the pipeline"
}

resource "aws_rds_cluster_parameter_group" "this" {
  name        = "${var.name}-warehouse"
  family      = "aurora-postgresql${split(".", var.engine_version)[0]}"
  description = "Connections must be encrypted"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}

resource "aws_rds_cluster" "this" {
  cluster_identifier = "${var.name}-warehouse"
  engine             = "aurora-postgresql"
  engine_version     = var.engine_version
  database_name      = "warehouse"
  port               = var.port

  master_username               = "pipeline_owner"
  manage_master_user_password   = true # RDS makes it, keeps it in Secrets Manager and rotates it
  master_user_secret_kms_key_id = var.kms_key_arn

  db_subnet_group_name            = aws_db_subnet_group.this.name
  vpc_security_group_ids          = [aws_security_group.this.id]
  db_cluster_parameter_group_name = aws_rds_cluster_parameter_group.this.name

  iam_database_authentication_enabled = true # for people; the pipeline uses passwords
  storage_encrypted                   = true
  kms_key_id                          = var.kms_key_arn
  backup_retention_period             = var.backup_days
  copy_tags_to_snapshot               = true
  enabled_cloudwatch_logs_exports     = var.log_exports

  deletion_protection       = var.is_protected
  skip_final_snapshot       = !var.is_protected
  final_snapshot_identifier = var.is_protected ? "${var.name}-warehouse-final" : null

  serverlessv2_scaling_configuration {
    min_capacity = var.capacity.min
    max_capacity = var.capacity.max
  }
}

resource "aws_rds_cluster_instance" "this" {
  count = var.instances

  identifier                      = "${var.name}-warehouse-${count.index + 1}"
  cluster_identifier              = aws_rds_cluster.this.id
  engine                          = aws_rds_cluster.this.engine
  engine_version                  = aws_rds_cluster.this.engine_version
  instance_class                  = "db.serverless"
  auto_minor_version_upgrade      = true
  performance_insights_enabled    = true
  performance_insights_kms_key_id = var.kms_key_arn
  db_subnet_group_name            = aws_db_subnet_group.this.name
  publicly_accessible             = false

  monitoring_interval = 60 # seconds
  monitoring_role_arn = aws_iam_role.monitoring.arn
}

# The values come from `python -m scripts.managed`, so they are never in the state.
resource "aws_secretsmanager_secret" "connection" {
  for_each = local.connections

  name                    = "${var.name}/connections/${each.value}"
  description             = "Airflow connection of the role ${each.key} of the warehouse"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.is_protected ? 30 : 0
}

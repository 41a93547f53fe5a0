# Who may read which secret: the pipeline its connections, and whoever migrates also the owner's.

locals {
  connection_arns = sort([for secret in aws_secretsmanager_secret.connection : secret.arn])
  owner_arn       = aws_rds_cluster.this.master_user_secret[0].secret_arn
}

data "aws_iam_policy_document" "read" {
  statement {
    sid       = "Connections"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = local.connection_arns
  }

  dynamic "statement" {
    for_each = var.kms_key_arn[*]

    content {
      sid       = "Decrypt"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

data "aws_iam_policy_document" "migrate" {
  statement {
    sid       = "Owner"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [local.owner_arn]
  }

  statement {
    sid = "Connections"
    actions = [
      "secretsmanager:DescribeSecret",
      "secretsmanager:GetSecretValue",
      "secretsmanager:PutSecretValue",
    ]
    resources = local.connection_arns
  }

  dynamic "statement" {
    for_each = var.kms_key_arn[*]

    content {
      sid       = "Crypt"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_policy" "read" {
  name        = "${var.name}-warehouse-read"
  description = "Read the connections of the warehouse: for the machines of Airflow"
  policy      = data.aws_iam_policy_document.read.json
}

resource "aws_iam_policy" "migrate" {
  name        = "${var.name}-warehouse-migrate"
  description = "Migrate the warehouse and set the passwords of its roles"
  policy      = data.aws_iam_policy_document.migrate.json
}

# RDS writes the load of its machines to CloudWatch.
data "aws_partition" "this" {}

data "aws_iam_policy_document" "monitoring" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["monitoring.rds.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "monitoring" {
  name               = "${var.name}-warehouse-monitoring"
  assume_role_policy = data.aws_iam_policy_document.monitoring.json
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:${data.aws_partition.this.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

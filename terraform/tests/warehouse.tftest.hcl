# The managed warehouse, on a mocked provider: what must never change, and refusals. That it can be
# applied, migrated and loaded is tried by make test-cloud.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_rds_cluster" {
    defaults = {
      master_user_secret = [{
        secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner", kms_key_id = "", secret_status = "active"
      }]
    }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/monitoring" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:connection" }
  }
}

variables {
  name                      = "elt-test"
  vpc_id                    = "vpc-1"
  subnet_ids                = ["subnet-1", "subnet-2"]
  client_security_group_ids = ["sg-1"]
}

run "it_is_private_encrypted_and_backed_up" {
  command = apply

  module {
    source = "./modules/warehouse"
  }

  assert {
    condition     = aws_rds_cluster.this.storage_encrypted && aws_rds_cluster.this.manage_master_user_password
    error_message = "the disk must be encrypted, and RDS must keep the owner's password"
  }

  assert {
    condition     = aws_rds_cluster.this.master_password == null
    error_message = "no password may be in the state"
  }

  assert {
    condition     = alltrue([for one in aws_rds_cluster_instance.this : !one.publicly_accessible])
    error_message = "the database must not be reachable from outside of its network"
  }

  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_ingress_rule.pipeline :
      rule.referenced_security_group_id == "sg-1" && rule.from_port == 5432 && rule.to_port == 5432 && rule.cidr_ipv4 == null
    ]) && length(aws_vpc_security_group_ingress_rule.pipeline) == 1
    error_message = "only the pipeline may reach the port of the database"
  }

  assert {
    condition     = { for p in aws_rds_cluster_parameter_group.this.parameter : p.name => p.value } == { "rds.force_ssl" = "1" }
    error_message = "connections must be encrypted"
  }

  assert {
    condition     = aws_rds_cluster.this.deletion_protection && !aws_rds_cluster.this.skip_final_snapshot && aws_rds_cluster.this.backup_retention_period == 14
    error_message = "the database must be protected from deletion, and backed up"
  }

  assert {
    condition = { for role, secret in aws_secretsmanager_secret.connection : role => secret.name } == {
      loader      = "elt-test/connections/warehouse"
      transformer = "elt-test/connections/dbt_postgres_conn"
      reader      = "elt-test/connections/warehouse_reader"
    }
    error_message = "the names of the secrets are those of Airflow's connections"
  }
}

run "each_may_do_what_it_needs_and_no_more" {
  command = apply

  module {
    source = "./modules/warehouse"
  }

  assert {
    condition = [for s in data.aws_iam_policy_document.read.statement : [s.actions, s.resources]] == [
      [toset(["secretsmanager:GetSecretValue"]), toset(["arn:aws:secretsmanager:eu-central-1:123456789012:secret:connection"])],
    ]
    error_message = "Airflow may read the connections, and not the owner's secret"
  }

  assert {
    condition = toset(flatten([for s in data.aws_iam_policy_document.migrate.statement : tolist(s.actions)])) == toset([
      "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:DescribeSecret",
    ])
    error_message = "the rights of a migration have changed"
  }
}

run "one_subnet_is_too_few" {
  command = plan

  module {
    source = "./modules/warehouse"
  }

  variables {
    subnet_ids = ["subnet-1"]
  }

  expect_failures = [var.subnet_ids]
}

run "nobody_to_reach_it" {
  command = plan

  module {
    source = "./modules/warehouse"
  }

  variables {
    client_security_group_ids = []
  }

  expect_failures = [var.client_security_group_ids]
}

run "an_old_postgresql" {
  command = plan

  module {
    source = "./modules/warehouse"
  }

  variables {
    engine_version = "16.9"
  }

  expect_failures = [var.engine_version]
}

run "more_than_aurora_gives" {
  command = plan

  module {
    source = "./modules/warehouse"
  }

  variables {
    capacity = { min = 8, max = 4 }
  }

  expect_failures = [var.capacity]
}

run "no_backup" {
  command = plan

  module {
    source = "./modules/warehouse"
  }

  variables {
    backup_days = 0
  }

  expect_failures = [var.backup_days]
}

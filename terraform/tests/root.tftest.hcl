# The composed root, on a mocked provider: names, refusals, and what .env gets.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
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
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:connection" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/warehouse" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:eu-central-1:123456789012:arrivals"
      id  = "https://sqs.eu-central-1.amazonaws.com/123456789012/arrivals"
    }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::landing", id = "landing" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/duty" }
  }
}

variables {
  environment = "test"
  region      = "eu-central-1"
  trusted_arns = {
    pipeline = ["arn:aws:iam::123456789012:role/airflow-host"]
    erase    = ["arn:aws:iam::123456789012:user/dpo"]
  }
}

run "env_is_what_the_pipeline_reads" {
  command = apply

  assert {
    condition = [for line in split("\n", trimspace(output.env)) : split("=", line)[0]] == [
      "LANDING_BUCKET",
      "PIPELINE_LANDING_QUEUE_URL",
      "PIPELINE_INGEST_AWS_CONN_ID",
      "AIRFLOW_CONN_AWS_DEFAULT",
      "AIRFLOW_CONN_AWS_INGEST",
    ]
    error_message = "the lines of .env have changed: README, .env.example and settings must change too"
  }

  assert {
    condition = jsondecode(trim(trimprefix(split("\n", output.env)[4], "AIRFLOW_CONN_AWS_INGEST="), "'")) == {
      conn_type = "aws"
      extra = {
        region_name = "eu-central-1"
        role_arn    = "arn:aws:iam::123456789012:role/duty"
      }
    }
    error_message = "a connection must be Airflow's JSON, name its role, and hold no secret"
  }

  assert {
    condition     = keys(output.role_arns) == ["erase", "ingest", "load"]
    error_message = "there must be one role a duty"
  }

  assert {
    condition     = output.warehouse == null && output.warehouse_policy_arns == null
    error_message = "no warehouse is made that nobody asked for"
  }
}

run "with_a_warehouse_airflow_reads_its_connections" {
  command = apply

  variables {
    warehouse = {
      vpc_id                    = "vpc-1"
      subnet_ids                = ["subnet-1", "subnet-2"]
      client_security_group_ids = ["sg-1"]
    }
  }

  assert {
    condition = jsondecode(trim(trimprefix(split("\n", output.env)[6], "AIRFLOW__SECRETS__BACKEND_KWARGS="), "'")) == {
      connections_prefix         = "elt-pipeline-test/connections"
      connections_lookup_pattern = "^(dbt_postgres_conn|warehouse|warehouse_reader)$"
      variables_prefix           = null
      config_prefix              = null
      region_name                = "eu-central-1"
    }
    error_message = "Airflow must ask for these three connections, and for no other"
  }
}

run "a_name_that_s3_would_refuse" {
  command = plan

  variables {
    name = "Posts_Pipeline"
  }

  expect_failures = [var.name]
}

run "an_environment_that_is_no_word" {
  command = plan

  variables {
    environment = "p"
  }

  expect_failures = [var.environment]
}

run "a_region_that_is_none" {
  command = plan

  variables {
    region = "frankfurt"
  }

  expect_failures = [var.region]
}

run "an_alias_instead_of_a_key" {
  command = plan

  variables {
    kms_key_arn = "alias/landing"
  }

  expect_failures = [var.kms_key_arn]
}

run "a_transition_that_s3_would_refuse" {
  command = plan

  variables {
    infrequent_access_days = 7
  }

  expect_failures = [var.infrequent_access_days]
}

run "versions_that_would_go_at_once" {
  command = plan

  variables {
    noncurrent_days = 0
  }

  expect_failures = [var.noncurrent_days]
}

run "anybody_is_nobody_to_trust" {
  command = plan

  variables {
    trusted_arns = { pipeline = ["*"], erase = ["arn:aws:iam::123456789012:root"] }
  }

  expect_failures = [var.trusted_arns]
}

run "somebody_must_be_trusted" {
  command = plan

  variables {
    trusted_arns = { pipeline = ["arn:aws:iam::123456789012:root"], erase = [] }
  }

  expect_failures = [var.trusted_arns]
}

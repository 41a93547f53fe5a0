output "bucket" {
  description = "Name of the landing bucket."
  value       = module.landing.bucket
}

output "queue_url" {
  description = "URL of the queue of bucket notifications."
  value       = module.landing.queue_url
}

output "role_arns" {
  description = "ARN of the role of each duty: ingest, load and erase."
  value       = module.identity.role_arns
}

# The output contains no secret, because the pipeline assumes the roles.
output "env" {
  description = "Lines for .env: terraform output -raw env >> .env"
  value = join("\n", [
    "LANDING_BUCKET='${module.landing.bucket}'",
    "PIPELINE_LANDING_QUEUE_URL='${module.landing.queue_url}'",
    "PIPELINE_INGEST_AWS_CONN_ID='aws_ingest'",
    "AIRFLOW_CONN_AWS_DEFAULT='${local.connections.load}'",
    "AIRFLOW_CONN_AWS_INGEST='${local.connections.ingest}'",
    local.managed_lines,
  ])
}

# No password: the secrets are named, and read by whoever may.
output "warehouse" {
  description = "Where the managed warehouse is: terraform output -json warehouse | python -m scripts.migrate --managed"
  value = one([
    for made in module.warehouse : {
      host               = made.host
      port               = made.port
      database           = made.database
      owner_secret_arn   = made.owner_secret_arn
      connection_secrets = made.connection_secrets
    }
  ])
}

output "warehouse_policy_arns" {
  description = "Policies of the managed warehouse: `read` for Airflow's machines, `migrate` for who deploys."
  value       = one(module.warehouse[*].policy_arns)
}

locals {
  # Airflow then reads the connections of the warehouse from their secrets.
  managed_lines = join("", [
    for made in module.warehouse : join("\n", [
      "AIRFLOW__SECRETS__BACKEND='airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend'",
      "AIRFLOW__SECRETS__BACKEND_KWARGS='${jsonencode(merge(made.backend_kwargs, { region_name = var.region }))}'",
      "",
    ])
  ])
  connections = {
    for duty, arn in module.identity.role_arns : duty => jsonencode({
      conn_type = "aws"
      extra     = { region_name = var.region, role_arn = arn }
    })
  }
}

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
    "",
  ])
}

locals {
  connections = {
    for duty, arn in module.identity.role_arns : duty => jsonencode({
      conn_type = "aws"
      extra     = { region_name = var.region, role_arn = arn }
    })
  }
}

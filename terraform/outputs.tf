output "bucket" {
  description = "Name of the landing bucket."
  value       = module.landing.bucket
}

output "queue_url" {
  description = "URL of the queue that is told of arrivals."
  value       = module.landing.queue_url
}

output "role_arns" {
  description = "ARN of each duty's role: ingest, load and erase."
  value       = module.identity.role_arns
}

# No secret is among them: whoever runs the pipeline assumes the roles.
output "env" {
  description = "The lines that .env needs: terraform output -raw env >> .env"
  value = join("\n", [
    "LANDING_BUCKET=${module.landing.bucket}",
    "PIPELINE_LANDING_QUEUE_URL=${module.landing.queue_url}",
    "PIPELINE_INGEST_AWS_CONN_ID=aws_ingest",
    "AIRFLOW_CONN_AWS_DEFAULT=${local.connections.load}",
    "AIRFLOW_CONN_AWS_INGEST=${local.connections.ingest}",
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

output "host" {
  description = "Host of the writer."
  value       = aws_rds_cluster.this.endpoint
}

output "port" {
  description = "Port of the database."
  value       = aws_rds_cluster.this.port
}

output "database" {
  description = "Name of the database."
  value       = aws_rds_cluster.this.database_name
}

output "owner_secret_arn" {
  description = "Secret with the password of the owner."
  value       = local.owner_arn
}

output "connection_secrets" {
  description = "Name of the secret with the Airflow connection of each role."
  value       = { for role, secret in aws_secretsmanager_secret.connection : role => secret.name }
}

output "backend_kwargs" {
  description = "How Airflow's SecretsManagerBackend finds these connections, and asks for no other."
  value = {
    connections_prefix         = "${var.name}/connections"
    connections_lookup_pattern = "^(${join("|", sort(values(local.connections)))})$"
    variables_prefix           = null
    config_prefix              = null
  }
}

output "policy_arns" {
  description = "Policies to attach: `read` to Airflow's machines, `migrate` to who deploys."
  value       = { read = aws_iam_policy.read.arn, migrate = aws_iam_policy.migrate.arn }
}

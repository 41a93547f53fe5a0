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

output "connections_prefix" {
  description = "Prefix of these secrets, for Airflow's secrets backend."
  value       = "${var.name}/connections"
}

output "policy_arns" {
  description = "Policies to attach: `read` to Airflow's machines, `migrate` to who deploys."
  value       = { read = aws_iam_policy.read.arn, migrate = aws_iam_policy.migrate.arn }
}

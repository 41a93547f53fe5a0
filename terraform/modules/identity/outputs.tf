output "role_arns" {
  description = "ARN of each duty's role."
  value       = { for duty, role in aws_iam_role.duty : duty => role.arn }
}

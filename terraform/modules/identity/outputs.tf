output "role_arns" {
  description = "ARN of the role of each duty."
  value       = { for duty, role in aws_iam_role.duty : duty => role.arn }
}

output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.landing.id
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.landing.arn
}

output "queue_arn" {
  description = "ARN of the queue of bucket notifications."
  value       = aws_sqs_queue.arrivals.arn
}

output "queue_url" {
  description = "URL of the queue of bucket notifications."
  value       = aws_sqs_queue.arrivals.id
}

# The queue holds only hints: a lost message costs minutes, a duplicate costs an empty run, never data.

resource "aws_sqs_queue" "arrivals" {
  name                       = "${var.name}-arrivals"
  message_retention_seconds  = 86400
  visibility_timeout_seconds = 60
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = var.kms_key_arn == null ? true : null
  kms_master_key_id          = var.kms_key_arn

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = 5
  })
}

resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-arrivals-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null
  kms_master_key_id         = var.kms_key_arn
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.arrivals.arn]
  })
}

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "arrivals" {
  statement {
    sid       = "OnlyOurBucketTells"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.arrivals.arn]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_s3_bucket.landing.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "queue" {
  for_each = { arrivals = aws_sqs_queue.arrivals.arn, dead = aws_sqs_queue.dead.arn }

  source_policy_documents = each.key == "arrivals" ? [data.aws_iam_policy_document.arrivals.json] : []

  statement {
    sid       = "RefuseWhatIsNotEncryptedOnTheWay"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "arrivals" {
  queue_url = aws_sqs_queue.arrivals.id
  policy    = data.aws_iam_policy_document.queue["arrivals"].json
}

resource "aws_sqs_queue_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id
  policy    = data.aws_iam_policy_document.queue["dead"].json
}

# A message that could not be read five times is in the dead-letter queue, and somebody should know.
resource "aws_cloudwatch_metric_alarm" "dead" {
  count = length(var.alarm_topic_arns) > 0 ? 1 : 0

  alarm_name          = "${var.name}-arrivals-dead"
  alarm_description   = "Messages of the landing zone's bucket could not be read. watch_pipeline loads the objects."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead.name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
}

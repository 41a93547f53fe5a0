# The landing zone, on a mocked provider: private, versioned, encrypted, and nothing current expires.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-central-1:123456789012:arrivals" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::landing", id = "landing" }
  }
}

variables {
  name                   = "elt-test"
  force_destroy          = false
  infrequent_access_days = 90
  noncurrent_days        = 365
}

run "by_default" {
  command = apply

  module {
    source = "./modules/landing"
  }

  assert {
    condition     = aws_s3_bucket.landing.bucket_prefix == "elt-test-" && !aws_s3_bucket.landing.force_destroy
    error_message = "the bucket is named by a prefix, and a full one is not destroyed"
  }

  assert {
    condition     = aws_s3_bucket_versioning.landing.versioning_configuration[0].status == "Enabled"
    error_message = "a rerun must keep what it replaces"
  }

  assert {
    condition = one([
      for rule in aws_s3_bucket_server_side_encryption_configuration.landing.rule :
      rule.apply_server_side_encryption_by_default[0].sse_algorithm
    ]) == "AES256"
    error_message = "without a key of one's own S3 encrypts with its own"
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.landing.block_public_acls,
      aws_s3_bucket_public_access_block.landing.block_public_policy,
      aws_s3_bucket_public_access_block.landing.ignore_public_acls,
      aws_s3_bucket_public_access_block.landing.restrict_public_buckets,
    ])
    error_message = "all four public ways must be blocked"
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.landing.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "the bucket's owner must own every object"
  }

  assert {
    condition = alltrue([
      data.aws_iam_policy_document.tls_only.statement[0].effect == "Deny",
      one(data.aws_iam_policy_document.tls_only.statement[0].condition).variable == "aws:SecureTransport",
      contains(data.aws_iam_policy_document.tls_only.statement[0].actions, "s3:*"),
    ])
    error_message = "requests without TLS must be refused"
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_lifecycle_configuration.landing.rule :
      alltrue([for expiration in rule.expiration : expiration.days == null || expiration.days == 0])
      if rule.id != "parts"
    ])
    error_message = "a current raw object must never expire"
  }

  assert {
    condition = one([
      for rule in aws_s3_bucket_lifecycle_configuration.landing.rule :
      [one(rule.filter).prefix, one(rule.expiration).days, one(rule.noncurrent_version_expiration).noncurrent_days]
      if rule.id == "parts"
    ]) == ["parts/", 2, 1]
    error_message = "parts of a day, and nothing else, are removed after two days"
  }

  assert {
    condition     = aws_sqs_queue.arrivals.sqs_managed_sse_enabled && aws_sqs_queue.dead.sqs_managed_sse_enabled
    error_message = "both queues must be encrypted"
  }

  assert {
    condition = alltrue([
      for document in data.aws_iam_policy_document.queue :
      document.statement[0].effect == "Deny" &&
      contains(document.statement[0].actions, "sqs:*") &&
      one(document.statement[0].condition).variable == "aws:SecureTransport"
    ]) && toset(keys(data.aws_iam_policy_document.queue)) == toset(["arrivals", "dead"])
    error_message = "both queues must refuse requests without TLS"
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.arrivals.redrive_policy).maxReceiveCount == 5
    error_message = "a message that nobody can read must go to the dead-letter queue"
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_notification.landing.queue[0].filter_prefix == "raw/",
      aws_s3_bucket_notification.landing.queue[0].filter_suffix == ".json",
    ])
    error_message = "the queue is told of raw objects only"
  }

  assert {
    condition = alltrue([
      for condition in data.aws_iam_policy_document.arrivals.statement[0].condition :
      contains(["aws:SourceArn", "aws:SourceAccount"], condition.variable)
    ]) && length(data.aws_iam_policy_document.arrivals.statement[0].condition) == 2
    error_message = "only our own bucket may send"
  }
}

run "with_a_key_of_ones_own" {
  command = apply

  module {
    source = "./modules/landing"
  }

  variables {
    kms_key_arn   = "arn:aws:kms:eu-central-1:123456789012:key/1"
    force_destroy = true
  }

  assert {
    condition = one([
      for rule in aws_s3_bucket_server_side_encryption_configuration.landing.rule :
      rule.apply_server_side_encryption_by_default[0].kms_master_key_id
    ]) == "arn:aws:kms:eu-central-1:123456789012:key/1"
    error_message = "the bucket must use the key"
  }

  assert {
    condition     = aws_sqs_queue.arrivals.kms_master_key_id == "arn:aws:kms:eu-central-1:123456789012:key/1"
    error_message = "the queue must use the key"
  }

  assert {
    condition     = aws_s3_bucket.landing.force_destroy
    error_message = "a full bucket is destroyed when that is asked for"
  }
}

run "with_a_key_alarms_and_a_trail" {
  command = apply

  module {
    source = "./modules/landing"
  }

  variables {
    kms_key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/1"
    alarm_topic_arns = ["arn:aws:sns:eu-central-1:123456789012:on-call"]
    trail_bucket     = "trails-of-the-company"
  }

  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.tls_only.statement :
      statement.effect == "Deny" && one(statement.condition).values == tolist(["arn:aws:kms:eu-central-1:123456789012:key/1"])
      if statement.sid == "RefuseOtherKeys"
    ]) && length(data.aws_iam_policy_document.tls_only.statement) == 2
    error_message = "an upload that names another key must be refused"
  }

  assert {
    condition = alltrue([
      one(aws_cloudwatch_metric_alarm.dead).dimensions.QueueName == "elt-test-arrivals-dead",
      one(aws_cloudwatch_metric_alarm.dead).threshold == 0,
      toset(one(aws_cloudwatch_metric_alarm.dead).alarm_actions) == toset(["arn:aws:sns:eu-central-1:123456789012:on-call"]),
    ])
    error_message = "a message in the dead-letter queue must be told"
  }

  assert {
    condition = alltrue([
      one(aws_cloudtrail.objects).s3_bucket_name == "trails-of-the-company",
      one(aws_cloudtrail.objects).event_selector[0].data_resource[0].values == tolist(["arn:aws:s3:::landing/raw/"]),
    ])
    error_message = "the trail must log every object below raw/"
  }
}

# The identities, on a mocked provider: each duty's exact rights. What they amount to is tried against
# an IAM that enforces them: make test-cloud.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name       = "elt-test"
  bucket_arn = "arn:aws:s3:::landing"
  queue_arn  = "arn:aws:sqs:eu-central-1:123456789012:arrivals"
  trusted_arns = {
    pipeline = ["arn:aws:iam::123456789012:role/airflow-host"]
    erase    = ["arn:aws:iam::123456789012:user/dpo"]
  }
}

run "each_duty_has_its_rights_and_no_other" {
  command = apply

  module {
    source = "./modules/identity"
  }

  assert {
    condition = { for duty, document in data.aws_iam_policy_document.duty : duty => toset(flatten([
      for statement in document.statement : statement.actions
      ])) } == {
      ingest = toset([
        "s3:ListBucket", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload",
      ])
      load = toset([
        "s3:ListBucket", "s3:GetObject",
        "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
      ])
      erase = toset([
        "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads",
        "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload",
        "s3:DeleteObject", "s3:DeleteObjectVersion",
      ])
    }
    error_message = "a duty's rights have changed"
  }

  assert {
    condition = toset(flatten([
      for document in data.aws_iam_policy_document.duty :
      [for statement in document.statement : statement.resources]
      ])) == toset([
      "arn:aws:s3:::landing",
      "arn:aws:s3:::landing/raw/*",
      "arn:aws:s3:::landing/parts/*",
      "arn:aws:sqs:eu-central-1:123456789012:arrivals",
    ])
    error_message = "rights must name the bucket, raw/*, parts/* and the queue, and nothing wider"
  }

  assert {
    condition = {
      for duty, document in data.aws_iam_policy_document.duty :
      duty => toset(one(one([for statement in document.statement : statement if statement.sid == "List"]).condition).values)
      } == {
      ingest = toset(["raw/*", "parts/*"])
      load   = toset(["raw/*"])
      erase  = toset(["raw/*", "parts/*"])
    }
    error_message = "only raw/* may be listed, and parts/* by those who write or erase them"
  }

  assert {
    condition = {
      for duty, document in data.aws_iam_policy_document.duty :
      duty => toset(flatten([for statement in document.statement : statement.actions if statement.sid == "Parts"]))
      } == {
      ingest = toset(["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload"])
      load   = toset([])
      erase  = toset(["s3:DeleteObject", "s3:DeleteObjectVersion"])
    }
    error_message = "parts are written and read by ingest, and deleted by erase"
  }

  assert {
    condition = {
      for duty, document in data.aws_iam_policy_document.trust :
      duty => one(document.statement[0].principals).identifiers
      } == {
      ingest = toset(["arn:aws:iam::123456789012:role/airflow-host"])
      load   = toset(["arn:aws:iam::123456789012:role/airflow-host"])
      erase  = toset(["arn:aws:iam::123456789012:user/dpo"])
    }
    error_message = "erasing is trusted to other people than the pipeline"
  }

  assert {
    condition = [for duty, document in data.aws_iam_policy_document.trust : duty
      if length(document.statement[0].condition) > 0] == ["erase"] && (
      one(data.aws_iam_policy_document.trust["erase"].statement[0].condition).variable == "aws:MultiFactorAuthPresent"
    )
    error_message = "only with a second factor may somebody erase"
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.duty : role.max_session_duration == 3600])
    error_message = "a session must end after an hour"
  }
}

run "ingest_and_load_can_be_separate" {
  command = apply

  module {
    source = "./modules/identity"
  }

  variables {
    erase_requires_mfa = false
    trusted_arns = {
      pipeline = ["arn:aws:iam::123456789012:role/airflow-host"]
      erase    = ["arn:aws:iam::123456789012:user/dpo"]
      ingest   = ["arn:aws:iam::123456789012:role/ingest-host"]
    }
  }

  assert {
    condition = {
      for duty, document in data.aws_iam_policy_document.trust :
      duty => one(document.statement[0].principals).identifiers
      } == {
      ingest = toset(["arn:aws:iam::123456789012:role/ingest-host"])
      load   = toset(["arn:aws:iam::123456789012:role/airflow-host"])
      erase  = toset(["arn:aws:iam::123456789012:user/dpo"])
    }
    error_message = "a named principal replaces that of the pipeline"
  }
}

run "with_a_key_of_ones_own" {
  command = apply

  module {
    source = "./modules/identity"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1"
  }

  assert {
    condition = alltrue([
      for document in data.aws_iam_policy_document.duty :
      one([for statement in document.statement : statement if statement.sid == "Key"]).resources ==
      toset(["arn:aws:kms:eu-central-1:123456789012:key/1"])
    ])
    error_message = "every duty must be able to use the key, and no other key"
  }
}

# One role per duty. Each role has only the permissions on raw/* and parts/* that its duty needs.

locals {
  raw   = "${var.bucket_arn}/raw/*"
  parts = "${var.bucket_arn}/parts/*"

  duties = {
    ingest = {
      trusted = coalesce(var.trusted_arns.ingest, var.trusted_arns.pipeline)
      # Without s3:ListBucket, S3 answers a HEAD request for a missing object with 403 instead of 404.
      lists   = ["s3:ListBucket"]
      objects = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
      # It joins certain versions of the parts of a day.
      parts = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload"]
      queue = []
      kms   = ["kms:GenerateDataKey", "kms:Decrypt"]
    }
    load = {
      trusted = coalesce(var.trusted_arns.load, var.trusted_arns.pipeline)
      lists   = ["s3:ListBucket"]
      objects = ["s3:GetObject"]
      parts   = []
      queue   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
      kms     = ["kms:Decrypt"]
    }
    erase = {
      trusted = var.trusted_arns.erase
      lists   = ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]
      objects = [
        "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload",
        "s3:DeleteObject", "s3:DeleteObjectVersion", # a bulk delete needs both
      ]
      parts = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
      queue = []
      kms   = ["kms:GenerateDataKey", "kms:Decrypt"]
    }
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = local.duties

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = each.value.trusted
    }

    dynamic "condition" {
      for_each = each.key == "erase" && var.erase_requires_mfa ? [1] : []

      content {
        test     = "Bool"
        variable = "aws:MultiFactorAuthPresent"
        values   = ["true"]
      }
    }
  }
}

data "aws_iam_policy_document" "duty" {
  for_each = local.duties

  statement {
    sid       = "List"
    actions   = each.value.lists
    resources = [var.bucket_arn]

    # IfExists: a HEAD request for a missing object needs this permission, too, and has no prefix.
    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = length(each.value.parts) > 0 ? ["raw/*", "parts/*"] : ["raw/*"]
    }
  }

  statement {
    sid       = "Objects"
    actions   = each.value.objects
    resources = [local.raw]
  }

  dynamic "statement" {
    for_each = length(each.value.parts) > 0 ? [1] : []

    content {
      sid       = "Parts"
      actions   = each.value.parts
      resources = [local.parts]
    }
  }

  dynamic "statement" {
    for_each = length(each.value.queue) > 0 ? [1] : []

    content {
      sid       = "Arrivals"
      actions   = each.value.queue
      resources = [var.queue_arn]
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [1]

    content {
      sid       = "Key"
      actions   = each.value.kms
      resources = [var.kms_key_arn]
    }
  }
}

resource "aws_iam_role" "duty" {
  for_each = local.duties

  name               = "${var.name}-${each.key}"
  description        = "${var.name}: ${each.key}"
  assume_role_policy = data.aws_iam_policy_document.trust[each.key].json

  max_session_duration = 3600 # the shortest that IAM has
}

resource "aws_iam_role_policy" "duty" {
  for_each = local.duties

  name   = each.key
  role   = aws_iam_role.duty[each.key].id
  policy = data.aws_iam_policy_document.duty[each.key].json
}

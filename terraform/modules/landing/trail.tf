# Who read and wrote which object. The log belongs into another account, so it is not made by default.

resource "aws_cloudtrail" "objects" {
  #checkov:skip=CKV_AWS_35:the key of the trail's bucket belongs to its owner
  #checkov:skip=CKV_AWS_252:the owner of the trail's bucket decides who hears of it
  #checkov:skip=CKV2_AWS_10:the bucket is the log, and its owner decides what reads it
  count = var.trail_bucket == null ? 0 : 1

  name                          = "${var.name}-objects"
  s3_bucket_name                = var.trail_bucket
  enable_log_file_validation    = true
  include_global_service_events = false
  is_multi_region_trail         = true

  event_selector {
    include_management_events = false
    read_write_type           = "All"

    data_resource {
      type   = "AWS::S3::Object"
      values = ["${aws_s3_bucket.landing.arn}/raw/"]
    }
  }
}

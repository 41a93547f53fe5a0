# Copy to <environment>.tfvars, then: terraform apply -var-file=<environment>.tfvars
environment = "staging"
region      = "eu-central-1"

# Who may act as the pipeline, and who may erase a person's records for good.
trusted_arns = {
  pipeline = ["arn:aws:iam::123456789012:role/airflow-host"]
  erase    = ["arn:aws:iam::123456789012:role/data-protection"]
}

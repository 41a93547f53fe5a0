# Copy to <environment>.tfvars, then: terraform apply -var-file=<environment>.tfvars
environment = "staging"
region      = "eu-central-1"

# Principals that may act as the pipeline, and principals that may erase a person's records permanently. The
# latter need a second factor, unless erase_requires_mfa = false. `ingest` and `load` name separate hosts.
trusted_arns = {
  pipeline = ["arn:aws:iam::123456789012:role/airflow-host"]
  erase    = ["arn:aws:iam::123456789012:role/data-protection"]
}

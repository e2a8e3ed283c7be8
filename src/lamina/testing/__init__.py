"""What tests share: trees, isolation, conformance suites. Nothing else imports this."""

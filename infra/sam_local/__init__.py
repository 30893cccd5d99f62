"""`sam local start-api` on the functions of template.yaml, with the twin's AWS beside it."""

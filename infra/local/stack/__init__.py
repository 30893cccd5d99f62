"""The stack of template.yaml: expanded by SAM, evaluated with parameters, and its functions, which run here."""

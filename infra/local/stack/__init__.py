"""The stack of template.yaml inside this process: resources, functions, first rotation."""

"""What people read of a run: the decision, the evidence, the method, as Markdown, as a page and as a picture."""

"""What people read of a run: the decision, the evidence, the method, as Markdown, as a page and as a picture.

A run becomes a `Document` (`contents`), which `markdown` and `page` turn into files; `comparison` makes one of several runs. Charts
are data (`charts`) until `draw` draws them. Whoever only wants the words does not pay for importing matplotlib.
"""

from bench.report.names import verdict_words
from bench.report.outcome import warnings

__all__ = ["verdict_words", "warnings"]

"""In: a derivation. Out: a page of it as text, LaTeX, Markdown or HTML; also of a Program by itself."""

"""For `jupyter-lab --config` and `jupyter nbconvert --config`: exported pages load nothing from a network."""

c = get_config()  # noqa: F821 (Jupyter provides it)

c.HTMLExporter.require_js_url = ""
c.HTMLExporter.jquery_url = ""
c.HTMLExporter.mathjax_url = ""

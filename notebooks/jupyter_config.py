"""For `jupyter-lab --config` and `jupyter nbconvert --config`: neither asks a network for anything."""

c = get_config()  # noqa: F821 (Jupyter provides it)

c.HTMLExporter.require_js_url = ""
c.HTMLExporter.jquery_url = ""
c.HTMLExporter.mathjax_url = ""
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None

"""A server for one's own machine: an API and a page; nothing that is uploaded leaves it or stays.

Needs the extra ``serve``. The networks run in worker processes (``crew``), which can be killed
without harm to other requests; the process that talks to clients decodes nothing.
"""

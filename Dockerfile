# The server in a container: docker build -t facevoice . && docker run -p 127.0.0.1:8765:8765 facevoice
# It prints the address to open, which holds a token made at the start. docs/serve.md says more.
# scripts/run_container_steps.py runs these steps where there is no docker.
FROM python:3.12-slim AS build
WORKDIR /app
RUN pip install --no-cache-dir uv
COPY pyproject.toml uv.lock README.md LICENSE THIRD_PARTY.md ./
COPY recipes recipes
COPY src src
RUN uv sync --locked --no-dev --no-editable --extra serve --link-mode copy

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 facevoice
COPY --from=build /app/.venv /app/.venv
USER facevoice
ENV PATH=/app/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 8765
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8765/readyz', timeout=5)"]
ENTRYPOINT ["facevoice", "serve", "--host", "0.0.0.0"]
CMD ["--make-token"]

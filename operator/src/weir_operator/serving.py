"""/metrics, /healthz and /readyz."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from weir_operator.metrics import Metrics

#: Answers a request.
Page = Callable[[web.Request], Awaitable[web.Response]]


def application(metrics: Metrics, unhealthy: Callable[[], str], unready: Callable[[], str]) -> web.Application:
    """The pages; `unhealthy` and `unready` give a reason, or an empty string when all is well."""

    async def scrape(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    def probe(check: Callable[[], str]) -> Page:
        async def answer(_request: web.Request) -> web.Response:
            trouble = check()
            return web.Response(status=503 if trouble else 200, text=f"{trouble or 'ok'}\n")

        return answer

    app = web.Application()
    app.router.add_get("/metrics", scrape)
    app.router.add_get("/healthz", probe(unhealthy))
    app.router.add_get("/readyz", probe(unready))
    return app


async def serve(app: web.Application, host: str, port: int) -> web.AppRunner:
    """Listen; `cleanup()` of what is returned ends it. Raises OSError when the port is taken."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port, shutdown_timeout=1).start()
    return runner

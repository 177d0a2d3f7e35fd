"""Asks postfix-mta-sts-resolver for the policy of each domain on standard input, and answers one JSON object a line.

usage: senders.py < LIST
"""

import asyncio
import json
import logging
import sys

from postfix_mta_sts_resolver.resolver import STSFetchResult, STSResolver

# Domains at a time, so that one which is never answered holds up no others.
TOGETHER = 64
# Seconds for each look-up and each fetch: more than its default of 4, so that a busy machine makes no difference.
TIMEOUT = 10

logging.disable(logging.CRITICAL)


async def ask(gate, domain):
    async with gate:
        # One for each: c-ares asks over one TCP connection whatever it asks, and a fault there would be that of others.
        resolver = STSResolver(loop=asyncio.get_running_loop(), timeout=TIMEOUT)
        try:
            result, found = await resolver.resolve(domain)
        except Exception as error:  # What its own caller takes for a failed fetch.
            return {"domain": domain, "result": "ERROR", "error": f"{type(error).__name__}: {error}"}
    answer = {"domain": domain, "result": result.name}
    if result is STSFetchResult.VALID:
        policy = found[1]
        answer |= {"mode": policy["mode"], "max_age": policy["max_age"], "mx": policy["mx"]}
    return answer


async def main():
    domains = sys.stdin.read().split()
    gate = asyncio.Semaphore(TOGETHER)
    for answer in asyncio.as_completed([ask(gate, domain) for domain in domains]):
        print(json.dumps(await answer), flush=True)


asyncio.run(main())

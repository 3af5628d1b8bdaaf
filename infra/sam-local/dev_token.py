"""A token that functions accept on this machine only: python3 infra/sam-local/dev_token.py SUB [ROLE…]

Signed with the DEV_TOKEN_KEY of env.json, valid for twelve hours. Deployed, that setting stops the functions.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import sys
import time

LIFETIME_SECONDS = 12 * 60 * 60


def text(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.splitlines()[0])
    sub, *roles = sys.argv[1:]
    settings = json.loads((pathlib.Path(__file__).parent / "env.json").read_text())["HoldFunction"]
    claims = {"sub": sub, "email": f"{sub}@example.com", "exp": int(time.time()) + LIFETIME_SECONDS}
    claims[settings["ROLES_CLAIM"]] = roles
    parts = [{"alg": "HS256", "typ": "JWT"}, claims]
    signed = ".".join(text(json.dumps(part).encode()) for part in parts)
    signature = hmac.new(settings["DEV_TOKEN_KEY"].encode(), signed.encode(), hashlib.sha256).digest()
    print(f"{signed}.{text(signature)}")


if __name__ == "__main__":
    main()

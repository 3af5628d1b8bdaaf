"""What `sam local` makes of template.yaml and env.json, asked of SAM's own code: no Docker needed.

SAM serves the routes that it finds and passes over the others without a word; it does the same with settings that the
template does not declare. Here both are errors. `cargo xtask template` runs this with the Python of the SAM CLI.
"""

import json
import pathlib
import sys

from samcli.commands.local.lib.local_lambda import LocalLambdaRunner
from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
from samcli.yamlhelper import yaml_parse

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent


def routes(stacks):
    # It warns of each route with a JWT authorizer, which it does not know. The functions answer 401 themselves.
    found = ApiProvider(stacks, disable_authorizer=True).routes
    return {f"{method} {route.path}": route.function_name for route in found for method in route.methods}


def wanted_routes():
    resources = yaml_parse((ROOT / "template.yaml").read_text())["Resources"].values()
    routes = {r["Properties"]["RouteKey"] for r in resources if r["Type"] == "AWS::ApiGatewayV2::Route"}
    # SAM has no WebSocket APIs: the template's condition SamLocal leaves theirs out.
    return {route for route in routes if not route.startswith("$")}


def settings(stacks, given):
    """What each function's container is started with, without what Lambda itself sets."""
    provider = SamFunctionProvider(stacks, ignore_code_extraction_warnings=True)
    runner = LocalLambdaRunner(None, provider, str(ROOT), str(ROOT), env_vars_values=given)
    runner.get_aws_creds = dict
    own = {}
    for function in provider.get_all():
        environment = runner._make_env_vars(function)
        environment.resolve()
        own[function.name] = environment
    return own


def architectures(chosen):
    """The processors that functions run on when the template's parameter says so."""
    stacks, _ = SamLocalStackProvider.get_stacks(
        str(ROOT / "template.yaml"), parameter_overrides={"Architecture": chosen} if chosen else None
    )
    functions = SamFunctionProvider(stacks, ignore_code_extraction_warnings=True).get_all()
    return {architecture for function in functions for architecture in function.architectures}


def problems():
    stacks, _ = SamLocalStackProvider.get_stacks(str(ROOT / "template.yaml"))
    for chosen, wanted in [(None, {"arm64"}), ("x86_64", {"x86_64"})]:
        if architectures(chosen) != wanted:
            yield f"with Architecture={chosen} functions run on {architectures(chosen)}"
    found, wanted = routes(stacks), wanted_routes()
    for route in sorted(wanted - found.keys()):
        yield f"sam local does not serve {route}"
    given = json.loads((HERE / "env.json").read_text())
    functions = settings(stacks, given)
    for function in sorted(functions.keys() ^ given.keys()):
        yield f"{function} is not both in template.yaml and in env.json"
    for function in sorted(functions.keys() & given.keys()):
        resolved = functions[function].resolve()
        for name, value in given[function].items():
            if resolved.get(name) != value:
                yield f"{function} starts with {name}={resolved.get(name)!r}, not {value!r}"
        for name in sorted((functions[function].variables or {}).keys() - given[function].keys()):
            yield f"env.json does not give {function} its {name}"
    print(f"sam local serves {len(wanted)} routes with {len(functions)} functions")


if __name__ == "__main__":
    wrong = list(problems())
    if wrong:
        sys.exit("\n".join(wrong))

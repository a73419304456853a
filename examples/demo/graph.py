"""Turns the output of `cargo metadata` (on stdin) into graph.tsv (on stdout): what the five programs load.

package  <id>  <name>  <version>  <licence>  <features>  <targets>  <language>
edge     <package id>  <dependency id>  <kind>  <language>

Dependencies get smaller ids than the packages that use them, and each language gets the next fifth of the packages: what a slice refers to
is in the slices before it.
"""

import json
import re
import sys

LANGUAGES = ["C", "C++", "Python", "Go", "Rust"]


def dependencies_first(nodes):
    """The packages in an order in which each one comes after those it needs."""
    order = {}

    def visit(package, path):
        for dependency in nodes[package]["deps"]:
            if dependency["pkg"] not in order and dependency["pkg"] not in path:
                visit(dependency["pkg"], path | {package})
        order.setdefault(package, len(order) + 1)

    for package in nodes:
        visit(package, frozenset())
    return order


def licence(text):
    """A licence expression in one spelling: `MIT/Apache-2.0` is `Apache-2.0 OR MIT`."""
    if text is None:
        return "not stated"
    return text if "(" in text else " OR ".join(sorted(re.split(r" OR |/", text)))


def main():
    graph = json.load(sys.stdin)
    nodes = {node["id"]: node for node in graph["resolve"]["nodes"]}
    packages = {package["id"]: package for package in graph["packages"]}
    order = dependencies_first(nodes)
    for key, number in order.items():
        package = packages[key]
        language = LANGUAGES[(number - 1) * len(LANGUAGES) // len(order)]
        sizes = len(package["features"]), len(package["targets"])
        print("package", number, package["name"], package["version"], licence(package["license"]), *sizes, language, sep="\t")
        edges = {(order[d["pkg"]], kind["kind"] or "normal") for d in nodes[key]["deps"] for kind in d["dep_kinds"]}
        for dependency, kind in sorted(edges):
            if dependency < number:  # a circle through dev-dependencies is cut open
                print("edge", number, dependency, kind, language, sep="\t")


main()

"""An OpenAPI document of a server, against which real answers are held."""

from __future__ import annotations

from typing import Any

import httpx
from jsonschema import Draft202012Validator


class Described:
    """What a document declares."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.paths: dict[str, Any] = document["paths"]
        self.schemas: dict[str, Any] = document["components"]["schemas"]

    def valid(self, name: str, value: Any) -> bool:
        """Whether a value is what a schema says, by its name."""
        return self._validator({"$ref": f"#/components/schemas/{name}"}).is_valid(value)

    def requested(self, method: str, path: str, value: Any) -> bool:
        """Whether JSON is a body that an address is declared to take."""
        body = self.paths[path][method.lower()]["requestBody"]
        return self._validator(body["content"]["application/json"]["schema"]).is_valid(value)

    def declared(self, method: str, path: str, status: int) -> dict[str, Any]:
        """The answer that is declared for a status."""
        answer = self.paths[path][method.lower()]["responses"][str(status)]
        return self._of(answer)

    def check(self, method: str, path: str, answer: httpx.Response) -> None:
        """Fails unless an answer is as it is declared: status, media type and body."""
        declared = self.declared(method, path, answer.status_code)
        content = declared["content"]
        media = answer.headers["content-type"].partition(";")[0]
        assert media in content, f"{path} {answer.status_code}: {media}"
        schema = content[media].get("schema")
        if schema is None:
            return
        value = answer.json() if media.endswith("json") else answer.text
        self._validator(schema).validate(value)

    def _validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        return Draft202012Validator({**schema, "components": self.document["components"]})

    def _of(self, value: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in value:
            return value
        found: Any = self.document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return found

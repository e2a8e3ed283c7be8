"""The rules: BuildKit's 21, by its names, and Lamina's own. docs/rules.md has a section for each of ours.

Messages of BuildKit's rules are in its words (people search for them); descriptions are ours.
"""

from __future__ import annotations

from typing import NamedTuple

_BUILDKIT = "https://docs.docker.com/go/dockerfile/rule/"
_OURS = "docs/rules.md#"


class Rule(NamedTuple):
    """One rule. An experimental one counts only where it is asked for by name, or all of them are.

    `ours` marks a rule that BuildKit does not have: it is looked at by --check, and never fails a build.
    """

    name: str
    description: str
    url: str
    experimental: bool = False
    ours: bool = False

    @property
    def severity(self) -> str:
        """How much it matters: BuildKit's rules are warnings, ours are advice."""
        return "info" if self.ours else "warning"


def _rule(name: str, page: str, description: str, *, experimental: bool = False) -> Rule:
    return Rule(name, description, f"{_BUILDKIT}{page}/", experimental)


def _own(name: str, description: str) -> Rule:
    return Rule(name, description, _OURS + name.lower(), ours=True)


STAGE_NAME_CASING = _rule("StageNameCasing", "stage-name-casing", "Names of stages are in lower case")
FROM_AS_CASING = _rule("FromAsCasing", "from-as-casing", "AS is written in the case of its FROM")
NO_EMPTY_CONTINUATION = _rule(
    "NoEmptyContinuation", "no-empty-continuation", "Empty lines inside an instruction will become an error"
)
CONSISTENT_INSTRUCTION_CASING = _rule(
    "ConsistentInstructionCasing",
    "consistent-instruction-casing",
    "All instructions of a Dockerfile are written in one case, upper or lower",
)
DUPLICATE_STAGE_NAME = _rule(
    "DuplicateStageName", "duplicate-stage-name", "A name of a stage is given only once"
)
RESERVED_STAGE_NAME = _rule(
    "ReservedStageName", "reserved-stage-name", "`scratch` and `context` name no stage"
)
JSON_ARGS_RECOMMENDED = _rule(
    "JSONArgsRecommended",
    "json-args-recommended",
    "CMD and ENTRYPOINT as JSON run without a shell, which would keep signals from the program",
)
MAINTAINER_DEPRECATED = _rule(
    "MaintainerDeprecated",
    "maintainer-deprecated",
    "MAINTAINER is deprecated: a label says who made an image",
)
UNDEFINED_ARG_IN_FROM = _rule(
    "UndefinedArgInFrom", "undefined-arg-in-from", "FROM uses only arguments that an ARG before it declares"
)
WORKDIR_RELATIVE_PATH = _rule(
    "WorkdirRelativePath",
    "workdir-relative-path",
    "A relative WORKDIR without an absolute one above it moves when the base image changes",
)
UNDEFINED_VAR = _rule("UndefinedVar", "undefined-var", "Variables are defined before they are used")
MULTIPLE_INSTRUCTIONS_DISALLOWED = _rule(
    "MultipleInstructionsDisallowed",
    "multiple-instructions-disallowed",
    "Of several CMD, ENTRYPOINT or HEALTHCHECK in one stage only the last one counts",
)
LEGACY_KEY_VALUE_FORMAT = _rule(
    "LegacyKeyValueFormat", "legacy-key-value-format", "Names and values are joined by =, not by a blank"
)
REDUNDANT_TARGET_PLATFORM = _rule(
    "RedundantTargetPlatform",
    "redundant-target-platform",
    "--platform=$TARGETPLATFORM in FROM says what holds without it",
)
SECRETS_USED_IN_ARG_OR_ENV = _rule(
    "SecretsUsedInArgOrEnv",
    "secrets-used-in-arg-or-env",
    "ARG and ENV stay in the image: no place for secrets",
)
INVALID_DEFAULT_ARG_IN_FROM = _rule(
    "InvalidDefaultArgInFrom",
    "invalid-default-arg-in-from",
    "FROM names an image also when no --build-arg is given",
)
FROM_PLATFORM_FLAG_CONST_DISALLOWED = _rule(
    "FromPlatformFlagConstDisallowed",
    "from-platform-flag-const-disallowed",
    "A fixed --platform in FROM lets the Dockerfile build for one platform only",
)
COPY_IGNORED_FILE = _rule(
    "CopyIgnoredFile",
    "copy-ignored-file",
    "What .dockerignore leaves out cannot be copied",
    experimental=True,
)
INVALID_DEFINITION_DESCRIPTION = _rule(
    "InvalidDefinitionDescription",
    "invalid-definition-description",
    "A comment right above a stage or an ARG is its description: `# NAME what it is`",
    experimental=True,
)
EXPOSE_PROTO_CASING = _rule(
    "ExposeProtoCasing", "expose-proto-casing", "Protocols in EXPOSE are in lower case"
)
EXPOSE_INVALID_FORMAT = _rule(
    "ExposeInvalidFormat",
    "expose-invalid-format",
    "EXPOSE takes a port of the container, no address and no port of the host: that will become an error",
)

CHANGING_FILE_BEFORE_SLOW_STEP = _own(
    "ChangingFileBeforeSlowStep", "What changes often is copied after the slow steps that do not need it"
)
OWNERSHIP_CHANGE_COPIES_FILES = _own(
    "OwnershipChangeCopiesFiles", "A chmod or chown in a later layer stores the files a second time"
)
DELETED_IN_LATER_LAYER = _own(
    "DeletedInLaterLayer", "Files that a later layer deletes stay in the layer that brought them"
)
PACKAGE_CACHE_LEFT_BEHIND = _own(
    "PackageCacheLeftBehind", "The cache of a package manager is of no use in an image"
)
CONTEXT_COPIED_BEFORE_INSTALL = _own(
    "ContextCopiedBeforeInstall", "Packages are installed again whenever any file of the context changes"
)

BUILDKIT_RULES = (
    STAGE_NAME_CASING,
    FROM_AS_CASING,
    NO_EMPTY_CONTINUATION,
    CONSISTENT_INSTRUCTION_CASING,
    DUPLICATE_STAGE_NAME,
    RESERVED_STAGE_NAME,
    JSON_ARGS_RECOMMENDED,
    MAINTAINER_DEPRECATED,
    UNDEFINED_ARG_IN_FROM,
    WORKDIR_RELATIVE_PATH,
    UNDEFINED_VAR,
    MULTIPLE_INSTRUCTIONS_DISALLOWED,
    LEGACY_KEY_VALUE_FORMAT,
    REDUNDANT_TARGET_PLATFORM,
    SECRETS_USED_IN_ARG_OR_ENV,
    INVALID_DEFAULT_ARG_IN_FROM,
    FROM_PLATFORM_FLAG_CONST_DISALLOWED,
    COPY_IGNORED_FILE,
    INVALID_DEFINITION_DESCRIPTION,
    EXPOSE_PROTO_CASING,
    EXPOSE_INVALID_FORMAT,
)
OWN_RULES = (
    CHANGING_FILE_BEFORE_SLOW_STEP,
    OWNERSHIP_CHANGE_COPIES_FILES,
    DELETED_IN_LATER_LAYER,
    PACKAGE_CACHE_LEFT_BEHIND,
    CONTEXT_COPIED_BEFORE_INSTALL,
)
RULES = BUILDKIT_RULES + OWN_RULES

"""Names, configs and instances of one family, turned into one another.

Criteria, structures and schedules are all written three ways: as a name on a
command line, as a config in a saved model, as an object in Python. One class
translates, so that the three families take the same forms and refuse the same
mistakes.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from tflottery.core import checks

Member = TypeVar("Member", bound="Configurable")


class Configurable:
    """Something that its constructor's arguments describe completely.

    Subclasses are frozen dataclasses: argument = attribute = key of the config.
    A subclass that is none writes its own `get_config`.
    """

    name: str

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain JSON values."""
        if not dataclasses.is_dataclass(self):
            return {}
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_config(cls: type[Member], config: Mapping[str, Any]) -> Member:
        """Makes an instance from what `get_config` returned.

        Args:
            config: A mapping from argument to value.

        Returns:
            An instance that equals the one described.

        Raises:
            ValueError: If an argument is missing or unknown.
        """
        accepted = inspect.signature(cls).parameters
        unknown = sorted(set(config) - set(accepted))
        missing = [
            name
            for name, parameter in accepted.items()
            if parameter.default is parameter.empty and name not in config
        ]
        if unknown or missing:
            raise ValueError(
                f"`config` does not fit {cls.__name__}. Received: "
                f"config={dict(config)!r}. It takes "
                f"{', '.join(accepted) or 'no arguments'}; "
                f"{', '.join(missing) or 'nothing'} is missing and "
                f"{', '.join(unknown) or 'nothing'} is unknown."
            )
        return cls(**config)


class Registry(Generic[Member]):
    """The members of one family, by name.

    Args:
        argument: What users call the argument that takes a member, for the
            messages, such as `"criterion"`.
        base: The abstract class of the family.

    Example:
        >>> class Colour(Configurable):
        ...     pass
        >>> colours = Registry("colour", Colour)
        >>> @colours.register
        ... class Red(Colour):
        ...     name = "red"
        >>> colours.names(), type(colours.get("red")).__name__
        (('red',), 'Red')
    """

    def __init__(self, argument: str, base: type[Member]) -> None:
        self.argument = argument
        self.base = base
        self._classes: dict[str, type[Member]] = {}

    def register(
        self, cls: type[Member], *aliases: str, replace: bool = False
    ) -> type[Member]:
        """Adds a class under its `name`; works as a decorator.

        Args:
            cls: A concrete subclass of the family's base.
            *aliases: Other names for it.
            replace: Whether a class of that name may be replaced. Defaults to
                `False`.

        Returns:
            The class itself.

        Raises:
            TypeError: If it is not a subclass of the base.
            ValueError: If a name is taken.
        """
        if not (isinstance(cls, type) and issubclass(cls, self.base)):
            raise TypeError(
                f"`cls` must be a subclass of {self.base.__name__}. "
                f"Received: cls={cls!r}."
            )
        for name in (cls.name, *aliases):
            if name in self._classes and not replace:
                raise ValueError(
                    f"`name` is taken. Received: name={name!r}, which is "
                    f"{self._classes[name].__name__}. Choose another name, or "
                    "pass replace=True."
                )
        for name in (cls.name, *aliases):
            self._classes[name] = cls
        return cls

    def names(self) -> tuple[str, ...]:
        """Returns all valid names, aliases included, in order of adding."""
        return tuple(self._classes)

    def get(self, identifier: Any) -> Member:
        """Returns the member that `identifier` stands for.

        Args:
            identifier: An instance; a name; or what `serialize` returned.

        Returns:
            An instance; the same one if an instance was given.

        Raises:
            TypeError: If it is none of these.
            ValueError: If the name is unknown, or a config does not fit.
        """
        if isinstance(identifier, self.base):
            return identifier
        if isinstance(identifier, str):
            cls = self._class(identifier)
            required = [
                name
                for name, parameter in inspect.signature(cls).parameters.items()
                if parameter.default is parameter.empty
            ]
            if required:
                raise ValueError(
                    f"`{self.argument}` needs more than its name. Received: "
                    f"{self.argument}={identifier!r}. Pass "
                    f"{cls.__name__}({', '.join(n + '=...' for n in required)})"
                    ", or a dict with the keys 'name' and 'config'."
                )
            return cls()
        if isinstance(identifier, Mapping):
            if set(identifier) != {"name", "config"}:
                raise ValueError(
                    f"`{self.argument}` must be a dict with the keys 'name' "
                    f"and 'config'. Received: {self.argument}="
                    f"{dict(identifier)!r}. Use what `serialize` returns."
                )
            cls = self._class(identifier["name"])
            return cls.from_config(identifier["config"])
        raise TypeError(
            f"`{self.argument}` must be a name, a config or an instance of "
            f"{self.base.__name__}. Received: {self.argument}={identifier!r} "
            f"of type {type(identifier).__name__}. Valid names: "
            f"{', '.join(map(repr, self.names()))}."
        )

    def serialize(self, member: Member) -> str | dict[str, Any]:
        """Returns plain JSON values from which `get` makes an equal member.

        The keys are not those of Keras' own serialisation, so that Keras
        leaves the dict alone where it is part of a layer's config.

        Args:
            member: An instance of a registered class.

        Returns:
            The name alone where there are no arguments, else
            `{"name": name, "config": arguments}`.

        Raises:
            TypeError: If it is not of the family.
            ValueError: If its class is not registered.
        """
        checks.check_instance(self.argument, member, self.base)
        if self._classes.get(member.name) is not type(member):
            raise ValueError(
                f"`{self.argument}` is of a class that is not registered, so "
                f"it could not be loaded again. Received: {self.argument}="
                f"{member!r}. Decorate {type(member).__name__} with `register`."
            )
        config = member.get_config()
        return (
            {"name": member.name, "config": config} if config else member.name
        )

    def _class(self, name: str) -> type[Member]:
        checks.check_choice(
            self.argument,
            name,
            self._classes,
            way_out="A class of your own is added with `register`.",
        )
        return self._classes[name]

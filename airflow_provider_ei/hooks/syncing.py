"""Makes a sync of what a hook is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.hooks.stores import open_store
from airflow_provider_ei.sources.names import check_text
from airflow_provider_ei.sync.dataset.options import Shard
from airflow_provider_ei.sync.dataset.prepare import check_rules, check_workers, read_source
from airflow_provider_ei.sync.dataset.run import DatasetSync
from airflow_provider_ei.sync.dataset.source import GivenMetadata

if TYPE_CHECKING:
    from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook

#: The sync that items belong to when none is named.
DEFAULT_SYNC_ID = "default"


def prepare_sync(
    hook: EdgeImpulseHook,
    *,
    dataset: str,
    source: Any = None,
    items: Any = None,
    include: Sequence[str] | str | None = None,
    exclude: Sequence[str] | str | None = None,
    depth: int | str = 1,
    metadata: GivenMetadata = None,
    folder_separator: str | None = None,
    bucket_name: str | None = None,
    bucket_id: int | str | None = None,
    delete: str = "never",
    max_delete: int | str | None = None,
    comparison: str = "digest",
    workers: int | str = 8,
    sync_id: str | None = None,
    shard: Shard | None = None,
) -> DatasetSync:
    """Check the arguments of :meth:`EdgeImpulseHook.sync_dataset` and look at the source; nothing is sent.

    :raises EdgeImpulseInputError: when an argument or the source is not fit.
    """
    rules = check_rules(
        sync_id=sync_id or DEFAULT_SYNC_ID,
        delete=delete,
        max_delete=max_delete,
        comparison=comparison,
        bucket_name=bucket_name,
        bucket_id=bucket_id,
        shard=shard,
    )
    if rules.delete and not sync_id:
        raise EdgeImpulseInputError(f"delete={delete!r} needs a sync_id, which tells this sync's items from others.")
    checked_workers, checked_dataset = check_workers(workers), check_text("dataset", dataset)
    tree = read_source(
        source=source,
        items=items,
        include=include,
        exclude=exclude,
        depth=depth,
        metadata=metadata,
        folder_separator=folder_separator,
        open_store=open_store,
    )
    return DatasetSync(hook.data_api, checked_dataset, tree, rules, workers=checked_workers)

-- How long each run took, in seconds, for what is counted: computed from the document, kept in the index alone.
alter table runs add column seconds real generated always as (
    (julianday(json_extract(document, '$.ended_at')) - julianday(json_extract(document, '$.started_at'))) * 86400.0
) virtual;

create index runs_by_outcome on runs (kind, state, seconds);

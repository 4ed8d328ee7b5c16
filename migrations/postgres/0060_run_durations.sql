-- How long each run took, in seconds, for what is counted: computed from the document when it is written.
alter table runs add column seconds double precision;

create function terrace_run_seconds() returns trigger language plpgsql as $$
begin
    new.seconds := extract(epoch from (new.document::json ->> 'ended_at')::timestamptz
        - (new.document::json ->> 'started_at')::timestamptz);
    return new;
end
$$;

create trigger runs_have_seconds before insert or update on runs
    for each row execute function terrace_run_seconds();

create index runs_by_outcome on runs (kind, state, seconds);

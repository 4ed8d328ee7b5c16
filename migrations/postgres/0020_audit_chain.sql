-- The end of the audit trail as the platform's key signed it, in the transaction of the record. One row.
create table audit_head (
    one         bigint primary key check (one = 1),
    checkpoint  text not null check (checkpoint::json is not null)
);

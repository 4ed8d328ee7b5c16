-- Until when a second look at a request is owed, in RFC 3339; null where none is, or where somebody has looked.
alter table requests add column review_due text;

create index requests_by_review on requests (review_due, number desc) where review_due is not null;

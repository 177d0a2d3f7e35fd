-- One scan of a dataset as the tables that the queries beside this file read: the first one, unless told otherwise.
-- In the directory of the dataset: duckdb -init views.sql -f adoption_by_rank.sql
-- Another scan: set variable scan = '20261123T201500Z-00ab12';
set variable scan = (select min(scan_id) from 'domains/scan=*/*.parquet');
create view domains as from 'domains/scan=*/*.parquet' where scan_id = getvariable('scan');
create view hosts as from 'hosts/scan=*/*.parquet' where scan_id = getvariable('scan');
create view findings as from 'findings/scan=*/*.parquet' where scan_id = getvariable('scan');
create view policies as from 'policies/scan=*/*.parquet' where scan_id = getvariable('scan');
create view certificates as from 'certificates/scan=*/*.parquet' where scan_id = getvariable('scan');
create view rejects as from 'rejects/scan=*/*.parquet' where scan_id = getvariable('scan');

-- The names of a certificate are found when it goes. Identifiers rise, so that this index grows at its end.
CREATE INDEX certificate_names_by_certificate ON certificate_names (certificate_id);

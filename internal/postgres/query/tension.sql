-- name: LiveFindings :many
SELECT a.tenant_id, a.detector, a.key FROM alert a
 WHERE a.state <> 'resolved' AND a.detector IN ('CodeSpray', 'FleetCodeSpray', 'SourceDecoySurge')
 ORDER BY a.last_seen DESC LIMIT 1000;

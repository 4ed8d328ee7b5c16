# METADATA
# title: Storage is encrypted at rest
# description: |
#   A disk, snapshot or backup that leaves its owner's hands can be read by whoever finds it, unless it is encrypted.
#   Encryption can often not be switched on later without moving all data, so it has to be there from the first apply.
# custom:
#   code: unencrypted-storage
#   fix: Set the attribute that the message names to true (or give a key); existing data has to be copied to a new volume.
package terrace.plan.builtin.unencrypted_storage

import data.terrace.lib

# The attribute that must be true. Left out are types that their provider always encrypts.
attributes := {
	"aws_db_instance": "storage_encrypted",
	"aws_docdb_cluster": "storage_encrypted",
	"aws_ebs_snapshot_copy": "encrypted",
	"aws_ebs_volume": "encrypted",
	"aws_efs_file_system": "encrypted",
	"aws_elasticache_replication_group": "at_rest_encryption_enabled",
	"aws_neptune_cluster": "storage_encrypted",
	"aws_rds_cluster": "storage_encrypted",
	"aws_redshift_cluster": "encrypted",
}

# Blocks of disks inside a machine, and the attribute inside them.
blocks := {
	"aws_instance": ["root_block_device", "ebs_block_device"],
	"aws_launch_configuration": ["root_block_device", "ebs_block_device"],
}

deny contains finding if {
	some type, attribute in attributes
	some resource in lib.planned_by_type[type]
	not is_on(resource.change.after[attribute])
	finding := {
		"message": sprintf("%s: %s is %s", [resource.address, attribute, said(resource, attribute)]),
		"address": resource.address,
	}
}

deny contains finding if {
	some type, names in blocks
	some resource in lib.planned_by_type[type]
	some block in names
	some index, disk in lib.items(resource.change.after[block])
	not is_on(disk.encrypted)
	finding := {
		"message": sprintf("%s: %s[%d].encrypted is not true", [resource.address, block, index]),
		"address": resource.address,
	}
}

deny contains finding if {
	some resource in lib.planned_by_type.aws_launch_template
	some index, mapping in lib.items(resource.change.after.block_device_mappings)
	some disk in lib.items(mapping.ebs)
	not is_on(disk.encrypted)
	finding := {
		"message": sprintf("%s: block_device_mappings[%d].ebs.encrypted is not true", [resource.address, index]),
		"address": resource.address,
	}
}

deny contains finding if {
	some resource in lib.planned_by_type.aws_kinesis_stream
	resource.change.after.encryption_type == "NONE"
	finding := {"message": sprintf("%s: encryption_type is NONE", [resource.address]), "address": resource.address}
}

# Launch templates write booleans as text.
is_on(value) if value == true

is_on(value) if value == "true"

said(resource, attribute) := "not known before apply; set it" if lib.unknown(resource, attribute)

said(resource, attribute) := "not true" if not lib.unknown(resource, attribute)

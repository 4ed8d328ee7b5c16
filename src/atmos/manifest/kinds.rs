//! What a manifest holds at its top, and what each type of component may hold.

use super::sections::*;
use super::shape::*;

/// A whole stack manifest.
pub(super) static MANIFEST: Shape = open! {
    "name": &TEXT,
    "import": &IMPORT,
    "terraform": &Shape::Included(&TERRAFORM),
    "helmfile": &Shape::Included(&HELMFILE),
    "kubernetes": &Shape::Included(&KUBERNETES),
    "helm": &Shape::Included(&HELM),
    "packer": &Shape::Included(&PACKER),
    "vars": &OPEN,
    "hooks": &HOOKS,
    "env": &OPEN,
    "settings": &SETTINGS,
    "locals": &OPEN,
    "metadata": &GLOBAL_METADATA,
    "components": &COMPONENTS,
    "compositions": &COMPOSITIONS,
    "secrets": &SECRETS,
    "overrides": &OVERRIDES,
    "workflows": &super::workflows::WORKFLOWS,
    "dependencies": &DEPENDENCIES,
    "generate": &GENERATE,
    "version": &Shape::Included(&closed! {"track": &TEXT}),
};

static IMPORT: Shape = Shape::Included(&list!(&Shape::Either(&[
    &TEXT,
    &needing! {
        Needs::All(&["path"]);
        "path": &TEXT,
        "skip_templates_processing": &FLAG,
        "ignore_missing_template_values": &FLAG,
        "skip_if_missing": &FLAG,
        "nested_imports": &Shape::Word(&["local", "remote"]),
        "ttl": &TEXT,
        "context": &OBJECT,
    },
])));

static COMPONENTS: Shape = Shape::Included(&open! {
    "terraform": &Shape::Included(&named!(Component, &Shape::Included(&TERRAFORM_COMPONENT))),
    "helmfile": &Shape::Included(&named!(Component, &Shape::Included(&HELMFILE_COMPONENT))),
    "kubernetes": &Shape::Included(&named!(Component, &Shape::Included(&KUBERNETES_COMPONENT))),
    "helm": &Shape::Included(&named!(Component, &Shape::Included(&HELM_COMPONENT))),
    "packer": &Shape::Included(&named!(Component, &Shape::Included(&PACKER_COMPONENT))),
    "container": &Shape::Included(&named!(Component, &Shape::Included(&CONTAINER_COMPONENT))),
    "emulator": &Shape::Included(&named!(Component, &Shape::Included(&EMULATOR_COMPONENT))),
});

static TERRAFORM: Shape = closed! {
    "vars": &OPEN,
    "hooks": &HOOKS,
    "env": &OPEN,
    "settings": &SETTINGS,
    "locals": &OPEN,
    "command": &TEXT,
    "backend_type": &BACKEND_TYPE,
    "backend": &BACKEND,
    "remote_state_backend_type": &BACKEND_TYPE,
    "remote_state_backend": &BACKEND,
    "overrides": &OVERRIDES,
    "providers": &OPEN,
    "generate": &GENERATE,
    "dependencies": &DEPENDENCIES,
    "depends_on": &DEPENDS_ON,
    "provision": &PROVISION,
    "required_version": &TEXT,
    "required_providers": &REQUIRED_PROVIDERS,
    "retry": &RETRY,
};

static TERRAFORM_COMPONENT: Shape = closed! {
    "metadata": &METADATA,
    "component": &TEXT,
    "vars": &OPEN,
    "test": &closed! {"vars": &OPEN},
    "mocks": &OBJECT,
    "env": &OPEN,
    "settings": &SETTINGS,
    "locals": &OPEN,
    "command": &TEXT,
    "backend_type": &BACKEND_TYPE,
    "backend": &BACKEND,
    "remote_state_backend_type": &BACKEND_TYPE,
    "remote_state_backend": &BACKEND,
    "providers": &OPEN,
    "hooks": &HOOKS,
    "auth": &AUTH,
    "secrets": &SECRETS,
    "generate": &GENERATE,
    "dependencies": &DEPENDENCIES,
    "depends_on": &DEPENDS_ON,
    "provision": &PROVISION,
    "source": &SOURCE,
    "required_version": &TEXT,
    "required_providers": &REQUIRED_PROVIDERS,
    "retry": &RETRY,
};

static HELMFILE: Shape = closed! {
    "vars": &OPEN,
    "env": &OPEN,
    "settings": &SETTINGS,
    "locals": &OPEN,
    "command": &TEXT,
    "plugins": &INCLUDED_TEXTS,
    "overrides": &OVERRIDES,
    "dependencies": &DEPENDENCIES,
    "provision": &PROVISION,
    "hooks": &HOOKS,
    "retry": &RETRY,
};

static HELMFILE_COMPONENT: Shape = closed! {
    "metadata": &METADATA,
    "component": &TEXT,
    "vars": &OPEN,
    "env": &OPEN,
    "settings": &SETTINGS,
    "locals": &OPEN,
    "command": &TEXT,
    "plugins": &INCLUDED_TEXTS,
    "auth": &AUTH,
    "secrets": &SECRETS,
    "dependencies": &DEPENDENCIES,
    "provision": &PROVISION,
    "source": &SOURCE,
    "hooks": &HOOKS,
    "retry": &RETRY,
};

static PACKER: Shape = closed! {
    "vars": &OPEN,
    "env": &OPEN,
    "settings": &SETTINGS,
    "locals": &OPEN,
    "command": &TEXT,
    "overrides": &OVERRIDES,
    "dependencies": &DEPENDENCIES,
    "provision": &PROVISION,
    "retry": &RETRY,
};

static PACKER_COMPONENT: Shape = closed! {
    "metadata": &METADATA,
    "component": &TEXT,
    "vars": &OPEN,
    "env": &OPEN,
    "settings": &SETTINGS,
    "locals": &OPEN,
    "command": &TEXT,
    "auth": &AUTH,
    "secrets": &SECRETS,
    "dependencies": &DEPENDENCIES,
    "provision": &PROVISION,
    "source": &SOURCE,
    "retry": &RETRY,
};

static KUBERNETES: Shape = closed! {
    "vars": &OPEN,
    "env": &OPEN,
    "settings": &SETTINGS,
    "locals": &OPEN,
    "provider": &KUBERNETES_PROVIDER,
    "paths": &INCLUDED_TEXTS,
    "manifests": &KUBERNETES_MANIFESTS,
    "render": &RENDER,
    "hooks": &HOOKS,
    "generate": &GENERATE,
};

static KUBERNETES_COMPONENT: Shape = closed! {
    "metadata": &METADATA,
    "component": &TEXT,
    "provider": &KUBERNETES_PROVIDER,
    "paths": &INCLUDED_TEXTS,
    "manifests": &KUBERNETES_MANIFESTS,
    "vars": &OPEN,
    "env": &OPEN,
    "settings": &SETTINGS,
    "locals": &OPEN,
    "hooks": &HOOKS,
    "generate": &GENERATE,
    "render": &RENDER,
    "source": &SOURCE,
    "provision": &PROVISION,
    "auth": &AUTH,
    "secrets": &SECRETS,
    "retry": &RETRY,
    "dependencies": &DEPENDENCIES,
    "validate": &FLAG,
};

static KUBERNETES_PROVIDER: Shape = Shape::Word(&["kubectl", "kustomize"]);
static KUBERNETES_MANIFESTS: Shape = Shape::Included(&list!(&Shape::Either(&[
    &TEXT,
    &Shape::Map(&Map {
        keys: &[("apiVersion", &TEXT), ("kind", &TEXT), ("metadata", &OBJECT)],
        others: Others::Any,
        needs: Needs::All(&["apiVersion", "kind"]),
    }),
])));
static RENDER: Shape = Shape::Included(&closed! {"output": &closed! {"path": &TEXT, "split": &FLAG}});

static HELM: Shape = closed! {
    "vars": &OPEN,
    "env": &OPEN,
    "settings": &SETTINGS,
    "locals": &OPEN,
    "render": &RENDER,
    "hooks": &HOOKS,
    "plugins": &INCLUDED_TEXTS,
    "repositories": &list!(&HELM_REPOSITORY),
    "generate": &GENERATE,
    "command": &TEXT,
    "auth": &AUTH,
    "dependencies": &DEPENDENCIES,
    "source": &SOURCE,
    "provision": &PROVISION,
};

static HELM_COMPONENT: Shape = closed! {
    "metadata": &METADATA,
    "component": &TEXT,
    "chart": &TEXT,
    "version": &TEXT,
    "repository": &TEXT,
    "repositories": &list!(&HELM_REPOSITORY),
    "namespace": &TEXT,
    "name": &TEXT,
    "values": &OPEN,
    "values_files": &TEXTS,
    "render": &RENDER,
    "vars": &OPEN,
    "env": &OPEN,
    "settings": &SETTINGS,
    "locals": &OPEN,
    "secrets": &SECRETS,
    "hooks": &HOOKS,
    "generate": &GENERATE,
    "source": &SOURCE,
    "provision": &PROVISION,
    "auth": &AUTH,
    "dependencies": &DEPENDENCIES,
    "plugins": &INCLUDED_TEXTS,
    "command": &TEXT,
};

static HELM_REPOSITORY: Shape = needing! {
    Needs::All(&["name", "url"]);
    "name": &TEXT,
    "url": &TEXT,
    "username": &TEXT,
    "password": &TEXT,
    "pass_credentials_all": &FLAG,
    "cert_file": &TEXT,
    "key_file": &TEXT,
    "ca_file": &TEXT,
    "insecure_skip_tls_verify": &FLAG,
};

static CONTAINER_PARTS: Shape = open! {
    "runtime": &closed! {
        "provider": &Shape::Word(&["", "auto", "docker", "podman"]),
        "auto_start": &FLAG,
        "host": &FLAG,
    },
    "restart": &closed! {
        "policy": &Shape::Word(&["no", "always", "on-failure", "unless-stopped"]),
        "max_retries": &COUNT,
    },
    "healthcheck": &closed! {
        "test": &Shape::Either(&[&TEXT, &TEXTS]),
        "interval": &TEXT,
        "timeout": &TEXT,
        "retries": &COUNT,
        "start_period": &TEXT,
        "start_interval": &TEXT,
        "disable": &FLAG,
    },
};

static CONTAINER_COMPONENT: Shape = open! {
    "composition": &TEXT,
    "image": &TEXT,
    "build": &OBJECT,
    "run": &CONTAINER_PARTS,
    "env": &OPEN,
    "settings": &SETTINGS,
    "metadata": &METADATA,
    "command": &TEXT,
};

static EMULATOR_COMPONENT: Shape = open! {
    "driver": &TEXT,
    "cloud": &TEXT,
    "region": &TEXT,
    "project": &TEXT,
    "services": &TEXTS,
    "ephemeral": &FLAG,
    "container": &CONTAINER_PARTS,
    "env": &OPEN,
    "settings": &SETTINGS,
    "metadata": &METADATA,
};

static COMPOSITIONS: Shape = Shape::Included(&named!(
    Component,
    &needing! {
        Needs::All(&["services"]);
        "description": &TEXT,
        "services": &Shape::List(&List { items: &TEXT, unique: true, least: 1 }),
    }
));

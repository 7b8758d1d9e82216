//! To-many relations that come, go, and change their names.

use super::*;

impl Draft<'_> {
    pub(super) fn rename_links(&mut self, wanted: &StoredCollection) {
        for links in &wanted.links {
            let Some(from) = self.former_links(wanted, links) else {
                continue;
            };
            if from == *links || from.target != links.target {
                continue;
            }
            if from.table != links.table {
                self.vacate_table(&links.table);
            }
            self.push(Step::RenameLinks {
                collection: wanted.name.clone(),
                from: from.name,
                links: links.clone(),
            });
        }
    }

    /// As [`Draft::former_field`].
    fn former_links(&self, wanted: &StoredCollection, links: &StoredLinks) -> Option<StoredLinks> {
        let current = self.current_of(wanted)?;
        if let Some(same) = current.links_named(&links.name) {
            return Some(same.clone());
        }
        if current.field(&links.name).is_some() {
            return None;
        }
        let is_free = |name: &str| wanted.field(name).is_none() && wanted.links_named(name).is_none();
        if let Some(from) = self.target.former_field(&wanted.name, &links.name)
            && is_free(from)
            && let Some(from) = current.links_named(from)
        {
            return Some(from.clone());
        }
        let mut left = current.links.iter().filter(|left| is_free(&left.name));
        left.find(|left| left.table == links.table).cloned()
    }

    /// Links to another collection than before are other links: the old go, whatever their name.
    pub(super) fn add_and_remove_links(&mut self) {
        let (mut early, mut late) = (Vec::new(), Vec::new());
        for wanted in &self.target.structure.collections {
            let Some(current) = self.current_of(wanted) else {
                continue;
            };
            for links in current.links.iter().filter(|links| !wanted.links.contains(links)) {
                let replaced = wanted.links_named(&links.name).is_some();
                let step = Step::RemoveLinks {
                    collection: wanted.name.clone(),
                    field: links.name.clone(),
                };
                if replaced { early.push(step) } else { late.push(step) }
            }
        }
        early.into_iter().for_each(|step| self.push(step));
        for wanted in &self.target.structure.collections {
            for links in &wanted.links {
                if self
                    .current_of(wanted)
                    .is_some_and(|current| current.links_named(&links.name).is_none())
                {
                    self.vacate_table(&links.table);
                    self.push(Step::AddLinks {
                        collection: wanted.name.clone(),
                        links: links.clone(),
                    });
                }
            }
        }
        late.into_iter().for_each(|step| self.push(step));
    }
}

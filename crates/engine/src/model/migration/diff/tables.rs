//! Collections that come, go, and change their names.

use super::*;

impl Draft<'_> {
    pub(super) fn rename_collections(&mut self) {
        for wanted in &self.target.structure.collections {
            let Some(from) = self.former_collection(wanted) else {
                continue;
            };
            let current = self
                .current
                .collection(&from)
                .expect("a former collection is a current one");
            if current.name == wanted.name && current.table == wanted.table {
                continue;
            }
            if current.table != wanted.table {
                self.vacate_table(&wanted.table);
            }
            self.push(Step::RenameCollection {
                from,
                to: wanted.name.clone(),
                table: wanted.table.clone(),
            });
        }
    }

    /// The name that a collection of the target has now: its own, the one that it says it had, or that of a
    /// collection that is gone and leaves its table behind.
    fn former_collection(&self, wanted: &StoredCollection) -> Option<String> {
        if self.current_of(wanted).is_some() {
            return Some(wanted.name.clone());
        }
        let is_free = |name: &str| self.target.structure.collection(name).is_none();
        if let Some(from) = self.target.former_collection(&wanted.name)
            && is_free(from)
            && self.current.collection(from).is_some()
        {
            return Some(from.to_owned());
        }
        let mut left = self.current.collections.iter().filter(|current| is_free(&current.name));
        left.find(|current| current.table == wanted.table)
            .map(|current| current.name.clone())
    }

    pub(super) fn add_collections(&mut self) {
        for wanted in &self.target.structure.collections {
            if self.current_of(wanted).is_none() {
                self.vacate_table(&wanted.table);
                for links in &wanted.links {
                    self.vacate_table(&links.table);
                }
                self.push(Step::AddCollection(wanted.clone()));
            }
        }
    }

    pub(super) fn remove_collections(&mut self) {
        let is_gone = |current: &&StoredCollection| self.target.structure.collection(&current.name).is_none();
        let gone: Vec<String> = self
            .current
            .collections
            .iter()
            .filter(is_gone)
            .map(|gone| gone.name.clone())
            .collect();
        for collection in gone {
            self.push(Step::RemoveCollection { collection });
        }
    }

    /// Moves out of the way what has this table now and will have another one, or none.
    pub(super) fn vacate_table(&mut self, table: &str) {
        let aside = set_aside(table, |name| self.has_table(name));
        if let Some(occupant) = self
            .current
            .collections
            .iter()
            .find(|collection| collection.table == table)
        {
            let name = occupant.name.clone();
            self.push(Step::RenameCollection {
                from: name.clone(),
                to: name,
                table: aside,
            });
            return;
        }
        let all = self.current.collections.iter();
        let mut links = all.flat_map(|collection| collection.links.iter().map(|links| (&collection.name, links)));
        if let Some((collection, links)) = links.find(|(_, links)| links.table == table) {
            let (collection, mut links) = (collection.clone(), links.clone());
            links.table = aside;
            self.push(Step::RenameLinks {
                collection,
                from: links.name.clone(),
                links,
            });
        }
    }

    fn has_table(&self, name: &str) -> bool {
        let has = |structure: &Structure| {
            structure
                .collections
                .iter()
                .any(|collection| collection.table == name || collection.links.iter().any(|links| links.table == name))
        };
        has(&self.current) || has(&self.target.structure)
    }
}
